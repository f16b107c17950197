CREATE TABLE crm_field (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	object TEXT NOT NULL,
	name TEXT NOT NULL,
	"key" TEXT NOT NULL,
	type TEXT NOT NULL,
	refers_to TEXT,
	required INTEGER NOT NULL,
	"unique" INTEGER NOT NULL,
	indexed INTEGER NOT NULL,
	ready INTEGER NOT NULL,
	max_length INTEGER NOT NULL,
	scale INTEGER NOT NULL,
	min INTEGER,
	max INTEGER,
	"default" TEXT,
	options TEXT,
	depends_on TEXT,
	formula TEXT,
	position INTEGER NOT NULL,
	"group" TEXT,
	labels TEXT,
	help TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_field_name ON crm_field (tenant, object, name) WHERE deleted IS NULL;
CREATE UNIQUE INDEX crm_field_key ON crm_field (tenant, object, "key");

CREATE TABLE crm_rule (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	object TEXT NOT NULL,
	name TEXT NOT NULL,
	"when" TEXT NOT NULL,
	severity TEXT,
	messages TEXT,
	field TEXT,
	off INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_rule_object ON crm_rule (tenant, object);

CREATE TABLE crm_field_index (
	tenant TEXT NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	field TEXT NOT NULL,
	int_value INTEGER,
	text_value TEXT,
	unique_value TEXT,
	PRIMARY KEY (tenant, object, record_id, field)
) WITHOUT ROWID;
CREATE INDEX crm_field_index_int ON crm_field_index (tenant, object, field, int_value, record_id) WHERE int_value IS NOT NULL;
CREATE INDEX crm_field_index_text ON crm_field_index (tenant, object, field, text_value, record_id) WHERE text_value IS NOT NULL;
CREATE UNIQUE INDEX crm_field_index_unique ON crm_field_index (tenant, object, field, unique_value) WHERE unique_value IS NOT NULL;

CREATE TABLE crm_field_backfill (
	tenant TEXT NOT NULL,
	field_id BLOB NOT NULL,
	form TEXT NOT NULL,
	after_id BLOB NOT NULL,
	PRIMARY KEY (tenant, field_id)
) WITHOUT ROWID;

CREATE TABLE {schema}.field (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	refers_to text COLLATE "C",
	required boolean NOT NULL,
	"unique" boolean NOT NULL,
	indexed boolean NOT NULL,
	ready boolean NOT NULL,
	max_length bigint NOT NULL,
	scale bigint NOT NULL,
	min bigint,
	max bigint,
	"default" jsonb,
	options jsonb,
	depends_on text COLLATE "C",
	formula text COLLATE "C",
	position bigint NOT NULL,
	"group" text COLLATE "C",
	labels jsonb,
	help jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX field_name ON {schema}.field (tenant, object, name) WHERE deleted IS NULL;
CREATE UNIQUE INDEX field_key ON {schema}.field (tenant, object, "key");

CREATE TABLE {schema}.rule (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	"when" text COLLATE "C" NOT NULL,
	severity text COLLATE "C",
	messages jsonb,
	field text COLLATE "C",
	off boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX rule_object ON {schema}.rule (tenant, object);

CREATE TABLE {schema}.field_index (
	tenant text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	field text COLLATE "C" NOT NULL,
	int_value bigint,
	text_value text COLLATE "C",
	unique_value text COLLATE "C",
	PRIMARY KEY (tenant, object, record_id, field)
);
CREATE INDEX field_index_int ON {schema}.field_index (tenant, object, field, int_value, record_id) WHERE int_value IS NOT NULL;
CREATE INDEX field_index_text ON {schema}.field_index (tenant, object, field, text_value, record_id) WHERE text_value IS NOT NULL;
CREATE UNIQUE INDEX field_index_unique ON {schema}.field_index (tenant, object, field, unique_value) WHERE unique_value IS NOT NULL;

CREATE TABLE {schema}.field_backfill (
	tenant text COLLATE "C" NOT NULL,
	field_id uuid NOT NULL,
	form text COLLATE "C" NOT NULL,
	after_id uuid NOT NULL,
	PRIMARY KEY (tenant, field_id)
);

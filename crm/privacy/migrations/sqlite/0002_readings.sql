CREATE TABLE crm_reading (
	tenant TEXT NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	actor TEXT NOT NULL,
	how TEXT NOT NULL,
	fields TEXT,
	reason TEXT,
	PRIMARY KEY (tenant, object, record_id, at, id)
) WITHOUT ROWID;
CREATE INDEX crm_reading_actor ON crm_reading (tenant, actor, at);

CREATE TABLE crm_export_batch (
	tenant TEXT NOT NULL,
	actor TEXT NOT NULL,
	object TEXT NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (tenant, actor, object, at, id)
) WITHOUT ROWID;

CREATE TABLE crm_export_alarm (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	actor TEXT NOT NULL,
	object TEXT NOT NULL,
	day TEXT NOT NULL,
	exported INTEGER NOT NULL,
	allowed INTEGER NOT NULL,
	usual INTEGER NOT NULL,
	key TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_export_alarm_key ON crm_export_alarm (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_export_alarm_updated ON crm_export_alarm (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_export_alarm_owner ON crm_export_alarm (tenant, owner_id);

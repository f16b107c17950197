CREATE TABLE crm_tenant (
	tenant TEXT NOT NULL PRIMARY KEY,
	bucket INTEGER NOT NULL,
	created INTEGER NOT NULL,
	secret BLOB NOT NULL,
	rights INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE crm_event (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	version INTEGER NOT NULL,
	name TEXT NOT NULL,
	happened INTEGER NOT NULL,
	recorded INTEGER NOT NULL,
	actor TEXT NOT NULL,
	cause TEXT,
	changes TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_event_record ON crm_event (tenant, object, record_id, version);

CREATE TABLE crm_outbox (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	bucket INTEGER NOT NULL,
	due INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_outbox_due ON crm_outbox (bucket, tenant, due, id);

CREATE TABLE crm_ref (
	tenant TEXT NOT NULL,
	object TEXT NOT NULL,
	source TEXT NOT NULL,
	key TEXT NOT NULL,
	record_id BLOB NOT NULL,
	PRIMARY KEY (tenant, object, source, key)
) WITHOUT ROWID;

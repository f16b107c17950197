ALTER TABLE crm_tenant ADD COLUMN erased INTEGER;
ALTER TABLE crm_field ADD COLUMN personal INTEGER NOT NULL DEFAULT 0;

CREATE TABLE crm_tombstone (
	tenant TEXT NOT NULL,
	hash TEXT NOT NULL,
	erasure_id BLOB NOT NULL,
	erased INTEGER NOT NULL,
	PRIMARY KEY (tenant, hash)
) WITHOUT ROWID;

CREATE TABLE crm_erasure (
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
	record_id BLOB NOT NULL,
	reason TEXT NOT NULL,
	state TEXT NOT NULL,
	records INTEGER NOT NULL,
	events INTEGER NOT NULL,
	"keys" INTEGER NOT NULL,
	others TEXT,
	finished INTEGER,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_erasure_record ON crm_erasure (tenant, object, record_id);
CREATE INDEX crm_erasure_updated ON crm_erasure (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_erasure_owner ON crm_erasure (tenant, owner_id);

CREATE TABLE crm_retention (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	name TEXT NOT NULL,
	object TEXT NOT NULL,
	"where" TEXT,
	since TEXT NOT NULL,
	"after" TEXT NOT NULL,
	action TEXT NOT NULL,
	off INTEGER NOT NULL,
	uses TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_retention_name ON crm_retention (tenant, name) WHERE deleted IS NULL;
CREATE INDEX crm_retention_updated ON crm_retention (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_retention_owner ON crm_retention (tenant, owner_id);

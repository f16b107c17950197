ALTER TABLE crm_customer ADD COLUMN lifecycle TEXT;
ALTER TABLE crm_customer ADD COLUMN lifecycle_since INTEGER;

CREATE TABLE crm_level_scheme (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	grades TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_level_scheme_key ON crm_level_scheme (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_level_scheme_updated ON crm_level_scheme (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_level_scheme_owner ON crm_level_scheme (tenant, owner_id);

CREATE TABLE crm_level (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	customer_id BLOB NOT NULL,
	scheme_id BLOB NOT NULL,
	grade TEXT NOT NULL,
	since INTEGER NOT NULL,
	key TEXT NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id),
	FOREIGN KEY (tenant, scheme_id) REFERENCES crm_level_scheme (tenant, id)
);
CREATE INDEX crm_level_customer ON crm_level (tenant, customer_id, updated, id);
CREATE INDEX crm_level_by_scheme ON crm_level (tenant, scheme_id);
CREATE UNIQUE INDEX crm_level_key ON crm_level (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_level_updated ON crm_level (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_level_owner ON crm_level (tenant, owner_id);

CREATE TABLE crm_postal_address (
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
	kind TEXT NOT NULL,
	main INTEGER NOT NULL,
	recipient TEXT,
	street TEXT,
	district TEXT,
	city TEXT,
	region TEXT,
	postal_code TEXT,
	country TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_postal_address_customer ON crm_postal_address (tenant, customer_id, updated, id);
CREATE INDEX crm_postal_address_updated ON crm_postal_address (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_postal_address_owner ON crm_postal_address (tenant, owner_id);

CREATE TABLE crm_relationship (
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
	other_id BLOB NOT NULL,
	kind TEXT NOT NULL,
	role TEXT,
	title TEXT,
	department TEXT,
	since TEXT,
	until TEXT,
	main INTEGER NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id),
	FOREIGN KEY (tenant, other_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_relationship_customer ON crm_relationship (tenant, customer_id, updated, id);
CREATE INDEX crm_relationship_other ON crm_relationship (tenant, other_id, updated, id);
CREATE INDEX crm_relationship_updated ON crm_relationship (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_relationship_owner ON crm_relationship (tenant, owner_id);

CREATE TABLE crm_preference (
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
	name TEXT NOT NULL,
	key TEXT NOT NULL,
	value TEXT,
	declared TEXT,
	declared_at INTEGER,
	inferred TEXT,
	inferred_at INTEGER,
	evidence TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_preference_customer ON crm_preference (tenant, customer_id, updated, id);
CREATE UNIQUE INDEX crm_preference_key ON crm_preference (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_preference_updated ON crm_preference (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_preference_owner ON crm_preference (tenant, owner_id);

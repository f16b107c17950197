ALTER TABLE crm_customer ADD COLUMN email_fold TEXT;
ALTER TABLE crm_customer ADD COLUMN email_malformed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE crm_customer ADD COLUMN phone_malformed INTEGER NOT NULL DEFAULT 0;

UPDATE crm_customer SET email_fold = lower(email);
DROP INDEX crm_customer_email;
CREATE INDEX crm_customer_email ON crm_customer (tenant, email_fold, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_customer_phone ON crm_customer (tenant, phone, updated, id) WHERE deleted IS NULL;

CREATE TABLE crm_identity (
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
	value TEXT NOT NULL,
	value_fold TEXT,
	label TEXT,
	malformed INTEGER NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_identity_customer ON crm_identity (tenant, customer_id, updated, id);
CREATE INDEX crm_identity_value ON crm_identity (tenant, value_fold, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_identity_updated ON crm_identity (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_identity_owner ON crm_identity (tenant, owner_id);

CREATE TABLE crm_contact_point (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	kind TEXT NOT NULL,
	value TEXT NOT NULL,
	key TEXT NOT NULL,
	verified INTEGER,
	invalid INTEGER,
	invalid_reason TEXT,
	opted_out INTEGER,
	opt_out_reason TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_contact_point_key ON crm_contact_point (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_contact_point_updated ON crm_contact_point (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_contact_point_owner ON crm_contact_point (tenant, owner_id);

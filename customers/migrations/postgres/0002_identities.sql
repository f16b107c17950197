ALTER TABLE {schema}.customer ADD COLUMN email_fold text COLLATE "C";
ALTER TABLE {schema}.customer ADD COLUMN email_malformed boolean NOT NULL DEFAULT false;
ALTER TABLE {schema}.customer ADD COLUMN phone_malformed boolean NOT NULL DEFAULT false;

UPDATE {schema}.customer SET email_fold = lower(email);
DROP INDEX {schema}.customer_email;
CREATE INDEX customer_email ON {schema}.customer (tenant, email_fold, updated, id) WHERE deleted IS NULL;
CREATE INDEX customer_phone ON {schema}.customer (tenant, phone, updated, id) WHERE deleted IS NULL;

CREATE TABLE {schema}.identity (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	customer_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	value text COLLATE "C" NOT NULL,
	value_fold text COLLATE "C",
	label text COLLATE "C",
	malformed boolean NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX identity_customer ON {schema}.identity (tenant, customer_id, updated, id);
CREATE INDEX identity_value ON {schema}.identity (tenant, value_fold, updated, id) WHERE deleted IS NULL;
CREATE INDEX identity_updated ON {schema}.identity (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX identity_owner ON {schema}.identity (tenant, owner_id);

CREATE TABLE {schema}.contact_point (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	kind text COLLATE "C" NOT NULL,
	value text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	verified timestamptz,
	invalid timestamptz,
	invalid_reason text COLLATE "C",
	opted_out timestamptz,
	opt_out_reason text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX contact_point_key ON {schema}.contact_point (tenant, key) WHERE deleted IS NULL;
CREATE INDEX contact_point_updated ON {schema}.contact_point (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX contact_point_owner ON {schema}.contact_point (tenant, owner_id);

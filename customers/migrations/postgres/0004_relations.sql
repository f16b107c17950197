CREATE TABLE {schema}.postal_address (
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
	main boolean NOT NULL,
	recipient text COLLATE "C",
	street text COLLATE "C",
	district text COLLATE "C",
	city text COLLATE "C",
	region text COLLATE "C",
	postal_code text COLLATE "C",
	country text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX postal_address_customer ON {schema}.postal_address (tenant, customer_id, updated, id);
CREATE INDEX postal_address_updated ON {schema}.postal_address (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX postal_address_owner ON {schema}.postal_address (tenant, owner_id);

CREATE TABLE {schema}.relationship (
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
	other_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	role text COLLATE "C",
	title text COLLATE "C",
	department text COLLATE "C",
	since date,
	until date,
	main boolean NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id),
	FOREIGN KEY (tenant, other_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX relationship_customer ON {schema}.relationship (tenant, customer_id, updated, id);
CREATE INDEX relationship_other ON {schema}.relationship (tenant, other_id, updated, id);
CREATE INDEX relationship_updated ON {schema}.relationship (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX relationship_owner ON {schema}.relationship (tenant, owner_id);

CREATE TABLE {schema}.preference (
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
	name text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	value text COLLATE "C",
	declared text COLLATE "C",
	declared_at timestamptz,
	inferred text COLLATE "C",
	inferred_at timestamptz,
	evidence text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX preference_customer ON {schema}.preference (tenant, customer_id, updated, id);
CREATE UNIQUE INDEX preference_key ON {schema}.preference (tenant, key) WHERE deleted IS NULL;
CREATE INDEX preference_updated ON {schema}.preference (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX preference_owner ON {schema}.preference (tenant, owner_id);

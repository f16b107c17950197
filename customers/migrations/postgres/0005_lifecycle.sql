ALTER TABLE {schema}.customer ADD COLUMN lifecycle text COLLATE "C";
ALTER TABLE {schema}.customer ADD COLUMN lifecycle_since timestamptz;

CREATE TABLE {schema}.level_scheme (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	key text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	grades jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX level_scheme_key ON {schema}.level_scheme (tenant, key) WHERE deleted IS NULL;
CREATE INDEX level_scheme_updated ON {schema}.level_scheme (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX level_scheme_owner ON {schema}.level_scheme (tenant, owner_id);

CREATE TABLE {schema}.level (
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
	scheme_id uuid NOT NULL,
	grade text COLLATE "C" NOT NULL,
	since timestamptz NOT NULL,
	key text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id),
	FOREIGN KEY (tenant, scheme_id) REFERENCES {schema}.level_scheme (tenant, id)
);
CREATE INDEX level_customer ON {schema}.level (tenant, customer_id, updated, id);
CREATE INDEX level_by_scheme ON {schema}.level (tenant, scheme_id);
CREATE UNIQUE INDEX level_key ON {schema}.level (tenant, key) WHERE deleted IS NULL;
CREATE INDEX level_updated ON {schema}.level (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX level_owner ON {schema}.level (tenant, owner_id);

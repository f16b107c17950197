CREATE TABLE {schema}.customer (
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
	name text COLLATE "C" NOT NULL,
	name_fold text COLLATE "C",
	name_sort bytea,
	email text COLLATE "C",
	phone text COLLATE "C",
	country text COLLATE "C",
	parent_id uuid,
	industry text COLLATE "C",
	founded bigint,
	employees bigint,
	revenue bigint,
	revenue_currency text COLLATE "C",
	tags jsonb,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES {schema}.customer (tenant, id)
);
CREATE INDEX customer_name ON {schema}.customer (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX customer_updated ON {schema}.customer (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX customer_email ON {schema}.customer (tenant, email) WHERE email IS NOT NULL;
CREATE INDEX customer_parent ON {schema}.customer (tenant, parent_id);
CREATE INDEX customer_owner ON {schema}.customer (tenant, owner_id);

CREATE TABLE {schema}.account (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	name text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX account_updated ON {schema}.account (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX account_owner ON {schema}.account (tenant, owner_id);

CREATE TABLE {schema}.project (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	name text COLLATE "C" NOT NULL,
	account_id uuid,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, account_id) REFERENCES {schema}.account (tenant, id)
);
CREATE INDEX project_account ON {schema}.project (tenant, account_id, created, id) WHERE deleted IS NULL;
CREATE INDEX project_updated ON {schema}.project (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX project_owner ON {schema}.project (tenant, owner_id);

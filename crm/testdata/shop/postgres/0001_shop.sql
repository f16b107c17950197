CREATE TABLE {schema}.company (
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
	name_fold text COLLATE "C",
	name_sort bytea,
	email text COLLATE "C",
	country text COLLATE "C",
	parent_id uuid,
	tags jsonb,
	employees bigint,
	vip boolean NOT NULL,
	founded date,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES {schema}.company (tenant, id)
);
CREATE UNIQUE INDEX company_email ON {schema}.company (tenant, email) WHERE deleted IS NULL;
CREATE INDEX company_name ON {schema}.company (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX company_parent ON {schema}.company (tenant, parent_id);
CREATE INDEX company_owner ON {schema}.company (tenant, owner_id);

CREATE TABLE {schema}.deal (
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
	company_id uuid,
	stage text COLLATE "C" NOT NULL,
	amount bigint,
	amount_currency text COLLATE "C",
	cost bigint,
	cost_currency text COLLATE "C",
	close_on date,
	closed timestamptz,
	score bigint NOT NULL,
	notes jsonb,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, company_id) REFERENCES {schema}.company (tenant, id)
);
CREATE INDEX deal_company ON {schema}.deal (tenant, company_id);
CREATE INDEX deal_owner ON {schema}.deal (tenant, owner_id);
CREATE INDEX deal_score ON {schema}.deal (tenant, score, id) WHERE deleted IS NULL;
CREATE INDEX deal_close_on ON {schema}.deal (tenant, close_on NULLS FIRST, id) WHERE deleted IS NULL;
CREATE INDEX deal_updated ON {schema}.deal (tenant, updated, id) WHERE deleted IS NULL;

CREATE TABLE {schema}.remark (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	deal_id uuid NOT NULL,
	text text COLLATE "C" NOT NULL,
	mood text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, deal_id) REFERENCES {schema}.deal (tenant, id)
);
CREATE INDEX remark_deal ON {schema}.remark (tenant, deal_id);
CREATE INDEX remark_owner ON {schema}.remark (tenant, owner_id);
CREATE INDEX remark_updated ON {schema}.remark (tenant, updated, id) WHERE deleted IS NULL;

CREATE TABLE {schema}.reply (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	remark_id uuid,
	text text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, remark_id) REFERENCES {schema}.remark (tenant, id)
);
CREATE INDEX reply_remark ON {schema}.reply (tenant, remark_id);
CREATE INDEX reply_owner ON {schema}.reply (tenant, owner_id);
CREATE INDEX reply_updated ON {schema}.reply (tenant, updated, id) WHERE deleted IS NULL;

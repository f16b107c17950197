CREATE TABLE {schema}.product (
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
	series text COLLATE "C",
	price bigint,
	price_currency text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX product_name ON {schema}.product (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX product_updated ON {schema}.product (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX product_owner ON {schema}.product (tenant, owner_id);

CREATE TABLE {schema}.pipeline (
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
	key text COLLATE "C" NOT NULL,
	position bigint NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX pipeline_key ON {schema}.pipeline (tenant, key) WHERE deleted IS NULL;
CREATE INDEX pipeline_name ON {schema}.pipeline (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX pipeline_position ON {schema}.pipeline (tenant, position, id) WHERE deleted IS NULL;
CREATE INDEX pipeline_owner ON {schema}.pipeline (tenant, owner_id);

CREATE TABLE {schema}.stage (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	pipeline_id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	position bigint NOT NULL,
	kind text COLLATE "C" NOT NULL,
	probability bigint NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, pipeline_id) REFERENCES {schema}.pipeline (tenant, id)
);
CREATE UNIQUE INDEX stage_key ON {schema}.stage (tenant, pipeline_id, key) WHERE deleted IS NULL;
CREATE INDEX stage_pipeline ON {schema}.stage (tenant, pipeline_id);
CREATE INDEX stage_position ON {schema}.stage (tenant, position, id) WHERE deleted IS NULL;
CREATE INDEX stage_owner ON {schema}.stage (tenant, owner_id);

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
	name_fold text COLLATE "C",
	customer_id uuid,
	product_id uuid,
	pipeline_id uuid NOT NULL,
	stage_id uuid NOT NULL,
	status text COLLATE "C" NOT NULL,
	amount bigint,
	amount_currency text COLLATE "C",
	close_on date,
	closed timestamptz,
	lost_reason text COLLATE "C",
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES {schema}.customer (tenant, id),
	FOREIGN KEY (tenant, product_id) REFERENCES {schema}.product (tenant, id),
	FOREIGN KEY (tenant, pipeline_id) REFERENCES {schema}.pipeline (tenant, id),
	FOREIGN KEY (tenant, stage_id) REFERENCES {schema}.stage (tenant, id)
);
CREATE INDEX deal_customer ON {schema}.deal (tenant, customer_id);
CREATE INDEX deal_product ON {schema}.deal (tenant, product_id);
CREATE INDEX deal_pipeline ON {schema}.deal (tenant, pipeline_id);
CREATE INDEX deal_stage ON {schema}.deal (tenant, stage_id);
CREATE INDEX deal_owner ON {schema}.deal (tenant, owner_id);
CREATE INDEX deal_close_on ON {schema}.deal (tenant, close_on NULLS FIRST, id) WHERE deleted IS NULL;
CREATE INDEX deal_updated ON {schema}.deal (tenant, updated, id) WHERE deleted IS NULL;

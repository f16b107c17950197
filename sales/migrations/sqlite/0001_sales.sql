CREATE TABLE crm_product (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	name TEXT NOT NULL,
	name_fold TEXT,
	name_sort BLOB,
	series TEXT,
	price INTEGER,
	price_currency TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_product_name ON crm_product (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_product_updated ON crm_product (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_product_owner ON crm_product (tenant, owner_id);

CREATE TABLE crm_pipeline (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	name TEXT NOT NULL,
	name_fold TEXT,
	name_sort BLOB,
	key TEXT NOT NULL,
	position INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_pipeline_key ON crm_pipeline (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_pipeline_name ON crm_pipeline (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_pipeline_position ON crm_pipeline (tenant, position, id) WHERE deleted IS NULL;
CREATE INDEX crm_pipeline_owner ON crm_pipeline (tenant, owner_id);

CREATE TABLE crm_stage (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	pipeline_id BLOB NOT NULL,
	name TEXT NOT NULL,
	key TEXT NOT NULL,
	position INTEGER NOT NULL,
	kind TEXT NOT NULL,
	probability INTEGER NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, pipeline_id) REFERENCES crm_pipeline (tenant, id)
);
CREATE UNIQUE INDEX crm_stage_key ON crm_stage (tenant, pipeline_id, key) WHERE deleted IS NULL;
CREATE INDEX crm_stage_pipeline ON crm_stage (tenant, pipeline_id);
CREATE INDEX crm_stage_position ON crm_stage (tenant, position, id) WHERE deleted IS NULL;
CREATE INDEX crm_stage_owner ON crm_stage (tenant, owner_id);

CREATE TABLE crm_deal (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	name TEXT NOT NULL,
	name_fold TEXT,
	customer_id BLOB,
	product_id BLOB,
	pipeline_id BLOB NOT NULL,
	stage_id BLOB NOT NULL,
	status TEXT NOT NULL,
	amount INTEGER,
	amount_currency TEXT,
	close_on TEXT,
	closed INTEGER,
	lost_reason TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id),
	FOREIGN KEY (tenant, product_id) REFERENCES crm_product (tenant, id),
	FOREIGN KEY (tenant, pipeline_id) REFERENCES crm_pipeline (tenant, id),
	FOREIGN KEY (tenant, stage_id) REFERENCES crm_stage (tenant, id)
);
CREATE INDEX crm_deal_customer ON crm_deal (tenant, customer_id);
CREATE INDEX crm_deal_product ON crm_deal (tenant, product_id);
CREATE INDEX crm_deal_pipeline ON crm_deal (tenant, pipeline_id);
CREATE INDEX crm_deal_stage ON crm_deal (tenant, stage_id);
CREATE INDEX crm_deal_owner ON crm_deal (tenant, owner_id);
CREATE INDEX crm_deal_close_on ON crm_deal (tenant, close_on, id) WHERE deleted IS NULL;
CREATE INDEX crm_deal_updated ON crm_deal (tenant, updated, id) WHERE deleted IS NULL;

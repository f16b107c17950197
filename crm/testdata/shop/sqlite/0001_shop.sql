CREATE TABLE crm_company (
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
	email TEXT,
	country TEXT,
	parent_id BLOB,
	tags TEXT,
	employees INTEGER,
	vip INTEGER NOT NULL,
	founded TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES crm_company (tenant, id)
);
CREATE UNIQUE INDEX crm_company_email ON crm_company (tenant, email) WHERE deleted IS NULL;
CREATE INDEX crm_company_name ON crm_company (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_company_parent ON crm_company (tenant, parent_id);
CREATE INDEX crm_company_owner ON crm_company (tenant, owner_id);

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
	company_id BLOB,
	stage TEXT NOT NULL,
	amount INTEGER,
	amount_currency TEXT,
	cost INTEGER,
	cost_currency TEXT,
	close_on TEXT,
	closed INTEGER,
	score INTEGER NOT NULL,
	notes TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, company_id) REFERENCES crm_company (tenant, id)
);
CREATE INDEX crm_deal_company ON crm_deal (tenant, company_id);
CREATE INDEX crm_deal_owner ON crm_deal (tenant, owner_id);
CREATE INDEX crm_deal_score ON crm_deal (tenant, score, id) WHERE deleted IS NULL;
CREATE INDEX crm_deal_close_on ON crm_deal (tenant, close_on, id) WHERE deleted IS NULL;
CREATE INDEX crm_deal_updated ON crm_deal (tenant, updated, id) WHERE deleted IS NULL;

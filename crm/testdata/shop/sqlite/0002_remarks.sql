CREATE TABLE crm_remark (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	deal_id BLOB NOT NULL,
	text TEXT NOT NULL,
	mood TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, deal_id) REFERENCES crm_deal (tenant, id)
);
CREATE INDEX crm_remark_deal ON crm_remark (tenant, deal_id);
CREATE INDEX crm_remark_owner ON crm_remark (tenant, owner_id);
CREATE INDEX crm_remark_updated ON crm_remark (tenant, updated, id) WHERE deleted IS NULL;

CREATE TABLE crm_reply (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	remark_id BLOB,
	text TEXT NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, remark_id) REFERENCES crm_remark (tenant, id)
);
CREATE INDEX crm_reply_remark ON crm_reply (tenant, remark_id);
CREATE INDEX crm_reply_owner ON crm_reply (tenant, owner_id);
CREATE INDEX crm_reply_updated ON crm_reply (tenant, updated, id) WHERE deleted IS NULL;

CREATE TABLE crm_visit (
	tenant TEXT NOT NULL,
	company_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	name TEXT NOT NULL,
	kind TEXT,
	deal_id BLOB,
	spent INTEGER,
	spent_currency TEXT,
	props TEXT,
	PRIMARY KEY (tenant, company_id, at, id),
	FOREIGN KEY (tenant, company_id) REFERENCES crm_company (tenant, id),
	FOREIGN KEY (tenant, deal_id) REFERENCES crm_deal (tenant, id)
) WITHOUT ROWID;
CREATE INDEX crm_visit_deal ON crm_visit (tenant, deal_id) WHERE deal_id IS NOT NULL;

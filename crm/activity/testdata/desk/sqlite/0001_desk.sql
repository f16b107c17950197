CREATE TABLE crm_account (
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
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_account_updated ON crm_account (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_account_owner ON crm_account (tenant, owner_id);

CREATE TABLE crm_project (
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
	account_id BLOB,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, account_id) REFERENCES crm_account (tenant, id)
);
CREATE INDEX crm_project_account ON crm_project (tenant, account_id, created, id) WHERE deleted IS NULL;
CREATE INDEX crm_project_updated ON crm_project (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_project_owner ON crm_project (tenant, owner_id);

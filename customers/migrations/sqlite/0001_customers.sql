CREATE TABLE crm_customer (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	name_fold TEXT,
	name_sort BLOB,
	email TEXT,
	phone TEXT,
	country TEXT,
	parent_id BLOB,
	industry TEXT,
	founded INTEGER,
	employees INTEGER,
	revenue INTEGER,
	revenue_currency TEXT,
	tags TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES crm_customer (tenant, id)
);
CREATE INDEX crm_customer_name ON crm_customer (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_customer_updated ON crm_customer (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_customer_email ON crm_customer (tenant, email) WHERE email IS NOT NULL;
CREATE INDEX crm_customer_parent ON crm_customer (tenant, parent_id);
CREATE INDEX crm_customer_owner ON crm_customer (tenant, owner_id);

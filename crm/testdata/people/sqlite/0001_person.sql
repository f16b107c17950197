CREATE TABLE crm_person (
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
	email TEXT,
	phone TEXT,
	city TEXT,
	labels TEXT,
	vip INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_person_updated ON crm_person (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_person_owner ON crm_person (tenant, owner_id);

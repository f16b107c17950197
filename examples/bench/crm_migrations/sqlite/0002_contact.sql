CREATE TABLE crm_contact (
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
	city TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_contact_updated ON crm_contact (tenant, updated, id) WHERE deleted IS NULL;

CREATE TABLE crm_data_request (
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
	object TEXT,
	record_id BLOB,
	contact TEXT,
	text TEXT,
	received INTEGER NOT NULL,
	law TEXT NOT NULL,
	due TEXT NOT NULL,
	state TEXT NOT NULL,
	due_soon INTEGER NOT NULL,
	overdue INTEGER NOT NULL,
	extended INTEGER,
	extended_for TEXT,
	checked INTEGER,
	checked_by TEXT,
	checked_how TEXT,
	closed INTEGER,
	closed_by TEXT,
	reason TEXT,
	proof TEXT,
	outcome TEXT,
	lifted INTEGER,
	lifted_for TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_data_request_record ON crm_data_request (tenant, record_id);
CREATE INDEX crm_data_request_due ON crm_data_request (tenant, due, id) WHERE deleted IS NULL;
CREATE INDEX crm_data_request_updated ON crm_data_request (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_data_request_owner ON crm_data_request (tenant, owner_id);

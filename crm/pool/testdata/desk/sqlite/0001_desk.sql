CREATE TABLE crm_client (
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
	region TEXT,
	phone TEXT,
	email TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_client_updated ON crm_client (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_client_owner ON crm_client (tenant, owner_id);

CREATE TABLE crm_visit (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	about TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_visit_record ON crm_visit (tenant, record_id, at, id) WHERE deleted IS NULL;
CREATE INDEX crm_visit_updated ON crm_visit (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_visit_owner ON crm_visit (tenant, owner_id);

CREATE TABLE crm_offer (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	client_id BLOB NOT NULL,
	state TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, client_id) REFERENCES crm_client (tenant, id)
);
CREATE INDEX crm_offer_client ON crm_offer (tenant, client_id);
CREATE INDEX crm_offer_updated ON crm_offer (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_offer_owner ON crm_offer (tenant, owner_id);
CREATE INDEX crm_client_unowned ON crm_client (tenant, updated, id) WHERE deleted IS NULL AND owner_id IS NULL;

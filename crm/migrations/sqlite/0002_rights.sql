CREATE TABLE crm_member (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	name_fold TEXT,
	name_sort BLOB,
	email TEXT,
	inactive INTEGER NOT NULL,
	team_ids TEXT,
	role_ids TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_member_key ON crm_member (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_member_name ON crm_member (tenant, name_sort, id) WHERE deleted IS NULL;

CREATE TABLE crm_team (
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
	parent_id BLOB,
	role_ids TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES crm_team (tenant, id)
);
CREATE INDEX crm_team_name ON crm_team (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_team_parent ON crm_team (tenant, parent_id);
CREATE INDEX crm_team_owner ON crm_team (tenant, owner_id);

CREATE TABLE crm_role (
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
	description TEXT,
	grants TEXT,
	fields TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_role_name_fold ON crm_role (tenant, name_fold) WHERE deleted IS NULL;
CREATE INDEX crm_role_name ON crm_role (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_role_owner ON crm_role (tenant, owner_id);

CREATE TABLE crm_share (
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
	member_id BLOB,
	team_id BLOB,
	below INTEGER NOT NULL,
	access TEXT NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, member_id) REFERENCES crm_member (tenant, id),
	FOREIGN KEY (tenant, team_id) REFERENCES crm_team (tenant, id)
);
CREATE INDEX crm_share_record ON crm_share (tenant, object, record_id);
CREATE UNIQUE INDEX crm_share_with_member ON crm_share (tenant, object, record_id, member_id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX crm_share_with_team ON crm_share (tenant, object, record_id, team_id) WHERE deleted IS NULL;
CREATE INDEX crm_share_member ON crm_share (tenant, member_id);
CREATE INDEX crm_share_team ON crm_share (tenant, team_id);
CREATE INDEX crm_share_owner ON crm_share (tenant, owner_id);

CREATE TABLE crm_interaction (
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
	kind TEXT NOT NULL,
	direction TEXT,
	at INTEGER NOT NULL,
	seconds INTEGER NOT NULL,
	outcome TEXT,
	title TEXT,
	text TEXT,
	participants TEXT,
	channel TEXT,
	message_id TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_interaction_record ON crm_interaction (tenant, record_id, at, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX crm_interaction_message ON crm_interaction (tenant, record_id, channel, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX crm_interaction_at ON crm_interaction (tenant, at, id) WHERE deleted IS NULL;
CREATE INDEX crm_interaction_updated ON crm_interaction (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_interaction_owner ON crm_interaction (tenant, owner_id);

CREATE TABLE crm_note (
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
	text TEXT NOT NULL,
	pinned INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_note_record ON crm_note (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE INDEX crm_note_updated ON crm_note (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_note_owner ON crm_note (tenant, owner_id);

CREATE TABLE crm_comment (
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
	parent_id BLOB,
	text TEXT NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES crm_comment (tenant, id)
);
CREATE INDEX crm_comment_record ON crm_comment (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE INDEX crm_comment_parent ON crm_comment (tenant, parent_id);
CREATE INDEX crm_comment_updated ON crm_comment (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_comment_owner ON crm_comment (tenant, owner_id);

CREATE TABLE crm_mention (
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
	member_id BLOB NOT NULL,
	source TEXT NOT NULL,
	source_id BLOB NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_mention_record ON crm_mention (tenant, record_id);
CREATE INDEX crm_mention_member ON crm_mention (tenant, member_id, updated, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX crm_mention_source ON crm_mention (tenant, source_id, member_id);
CREATE INDEX crm_mention_updated ON crm_mention (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_mention_owner ON crm_mention (tenant, owner_id);

CREATE TABLE crm_follow (
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
	member_id BLOB NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_follow_record ON crm_follow (tenant, record_id, object, member_id) WHERE deleted IS NULL;
CREATE INDEX crm_follow_member ON crm_follow (tenant, member_id, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_follow_updated ON crm_follow (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_follow_owner ON crm_follow (tenant, owner_id);

CREATE TABLE crm_task (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	object TEXT,
	record_id BLOB,
	title TEXT NOT NULL,
	text TEXT,
	due_on TEXT,
	due INTEGER,
	remind_at INTEGER,
	reminded INTEGER,
	repeat TEXT,
	priority TEXT NOT NULL,
	done INTEGER,
	previous_id BLOB,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_task_record ON crm_task (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE INDEX crm_task_done ON crm_task (tenant, record_id, done, id) WHERE deleted IS NULL AND done IS NOT NULL;
CREATE INDEX crm_task_due ON crm_task (tenant, due, id) WHERE deleted IS NULL;
CREATE INDEX crm_task_previous ON crm_task (tenant, previous_id) WHERE previous_id IS NOT NULL;
CREATE INDEX crm_task_updated ON crm_task (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_task_owner ON crm_task (tenant, owner_id);

CREATE TABLE crm_file (
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
	name TEXT NOT NULL,
	name_sort BLOB,
	media_type TEXT NOT NULL,
	size INTEGER NOT NULL,
	sha256 TEXT NOT NULL,
	blob TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_file_record ON crm_file (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX crm_file_blob ON crm_file (tenant, blob);
CREATE INDEX crm_file_name ON crm_file (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX crm_file_updated ON crm_file (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_file_owner ON crm_file (tenant, owner_id);

CREATE TABLE {schema}.interaction (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	direction text COLLATE "C",
	at timestamptz NOT NULL,
	seconds bigint NOT NULL,
	outcome text COLLATE "C",
	title text COLLATE "C",
	text text COLLATE "C",
	participants jsonb,
	channel text COLLATE "C",
	message_id text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX interaction_record ON {schema}.interaction (tenant, record_id, at, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX interaction_message ON {schema}.interaction (tenant, record_id, channel, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX interaction_at ON {schema}.interaction (tenant, at, id) WHERE deleted IS NULL;
CREATE INDEX interaction_updated ON {schema}.interaction (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX interaction_owner ON {schema}.interaction (tenant, owner_id);

CREATE TABLE {schema}.note (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	text text COLLATE "C" NOT NULL,
	pinned boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX note_record ON {schema}.note (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE INDEX note_updated ON {schema}.note (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX note_owner ON {schema}.note (tenant, owner_id);

CREATE TABLE {schema}.comment (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	parent_id uuid,
	text text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES {schema}.comment (tenant, id)
);
CREATE INDEX comment_record ON {schema}.comment (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE INDEX comment_parent ON {schema}.comment (tenant, parent_id);
CREATE INDEX comment_updated ON {schema}.comment (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX comment_owner ON {schema}.comment (tenant, owner_id);

CREATE TABLE {schema}.mention (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	member_id uuid NOT NULL,
	source text COLLATE "C" NOT NULL,
	source_id uuid NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX mention_record ON {schema}.mention (tenant, record_id);
CREATE INDEX mention_member ON {schema}.mention (tenant, member_id, updated, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX mention_source ON {schema}.mention (tenant, source_id, member_id);
CREATE INDEX mention_updated ON {schema}.mention (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX mention_owner ON {schema}.mention (tenant, owner_id);

CREATE TABLE {schema}.follow (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	member_id uuid NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX follow_record ON {schema}.follow (tenant, record_id, object, member_id) WHERE deleted IS NULL;
CREATE INDEX follow_member ON {schema}.follow (tenant, member_id, updated, id) WHERE deleted IS NULL;
CREATE INDEX follow_updated ON {schema}.follow (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX follow_owner ON {schema}.follow (tenant, owner_id);

CREATE TABLE {schema}.task (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C",
	record_id uuid,
	title text COLLATE "C" NOT NULL,
	text text COLLATE "C",
	due_on date,
	due timestamptz,
	remind_at timestamptz,
	reminded timestamptz,
	repeat text COLLATE "C",
	priority text COLLATE "C" NOT NULL,
	done timestamptz,
	previous_id uuid,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX task_record ON {schema}.task (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE INDEX task_done ON {schema}.task (tenant, record_id, done, id) WHERE deleted IS NULL AND done IS NOT NULL;
CREATE INDEX task_due ON {schema}.task (tenant, due NULLS FIRST, id) WHERE deleted IS NULL;
CREATE INDEX task_previous ON {schema}.task (tenant, previous_id) WHERE previous_id IS NOT NULL;
CREATE INDEX task_updated ON {schema}.task (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX task_owner ON {schema}.task (tenant, owner_id);

CREATE TABLE {schema}.file (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	name_sort bytea,
	media_type text COLLATE "C" NOT NULL,
	size bigint NOT NULL,
	sha256 text COLLATE "C" NOT NULL,
	blob text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX file_record ON {schema}.file (tenant, record_id, created, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX file_blob ON {schema}.file (tenant, blob);
CREATE INDEX file_name ON {schema}.file (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX file_updated ON {schema}.file (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX file_owner ON {schema}.file (tenant, owner_id);

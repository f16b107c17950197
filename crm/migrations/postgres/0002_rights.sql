CREATE TABLE {schema}.member (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	key text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	name_fold text COLLATE "C",
	name_sort bytea,
	email text COLLATE "C",
	inactive boolean NOT NULL,
	team_ids jsonb,
	role_ids jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX member_key ON {schema}.member (tenant, key) WHERE deleted IS NULL;
CREATE INDEX member_name ON {schema}.member (tenant, name_sort, id) WHERE deleted IS NULL;

CREATE TABLE {schema}.team (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	name text COLLATE "C" NOT NULL,
	name_fold text COLLATE "C",
	name_sort bytea,
	parent_id uuid,
	role_ids jsonb,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, parent_id) REFERENCES {schema}.team (tenant, id)
);
CREATE INDEX team_name ON {schema}.team (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX team_parent ON {schema}.team (tenant, parent_id);
CREATE INDEX team_owner ON {schema}.team (tenant, owner_id);

CREATE TABLE {schema}.role (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	name text COLLATE "C" NOT NULL,
	name_fold text COLLATE "C",
	name_sort bytea,
	description text COLLATE "C",
	grants jsonb,
	fields jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX role_name_fold ON {schema}.role (tenant, name_fold) WHERE deleted IS NULL;
CREATE INDEX role_name ON {schema}.role (tenant, name_sort, id) WHERE deleted IS NULL;
CREATE INDEX role_owner ON {schema}.role (tenant, owner_id);

CREATE TABLE {schema}.share (
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
	member_id uuid,
	team_id uuid,
	below boolean NOT NULL,
	access text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, member_id) REFERENCES {schema}.member (tenant, id),
	FOREIGN KEY (tenant, team_id) REFERENCES {schema}.team (tenant, id)
);
CREATE INDEX share_record ON {schema}.share (tenant, object, record_id);
CREATE UNIQUE INDEX share_with_member ON {schema}.share (tenant, object, record_id, member_id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX share_with_team ON {schema}.share (tenant, object, record_id, team_id) WHERE deleted IS NULL;
CREATE INDEX share_member ON {schema}.share (tenant, member_id);
CREATE INDEX share_team ON {schema}.share (tenant, team_id);
CREATE INDEX share_owner ON {schema}.share (tenant, owner_id);

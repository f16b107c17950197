CREATE TABLE {schema}.pool (
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
	object text COLLATE "C" NOT NULL,
	"where" text COLLATE "C",
	team_ids jsonb,
	member_ids jsonb,
	show jsonb,
	mask jsonb,
	max_held bigint NOT NULL,
	counted text COLLATE "C",
	max_per_day bigint NOT NULL,
	ban_days bigint NOT NULL,
	recycle_days bigint NOT NULL,
	followed_up text COLLATE "C",
	warn_days bigint NOT NULL,
	protected text COLLATE "C",
	recycle_from timestamptz,
	off boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX pool_name ON {schema}.pool (tenant, name) WHERE deleted IS NULL;
CREATE INDEX pool_updated ON {schema}.pool (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX pool_owner ON {schema}.pool (tenant, owner_id);

CREATE TABLE {schema}.pool_reason (
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
	off boolean NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX pool_reason_name ON {schema}.pool_reason (tenant, name) WHERE deleted IS NULL;
CREATE INDEX pool_reason_updated ON {schema}.pool_reason (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX pool_reason_owner ON {schema}.pool_reason (tenant, owner_id);

CREATE TABLE {schema}.pool_move (
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
	pool_id uuid NOT NULL,
	kind text COLLATE "C" NOT NULL,
	at timestamptz NOT NULL,
	member_id uuid,
	reason_id uuid,
	note text COLLATE "C",
	until timestamptz,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, pool_id) REFERENCES {schema}.pool (tenant, id),
	FOREIGN KEY (tenant, reason_id) REFERENCES {schema}.pool_reason (tenant, id)
);
CREATE INDEX pool_move_record ON {schema}.pool_move (tenant, record_id, at, id);
CREATE INDEX pool_move_claimed ON {schema}.pool_move (tenant, pool_id, member_id, at);
CREATE INDEX pool_move_reason ON {schema}.pool_move (tenant, reason_id);
CREATE INDEX pool_move_at ON {schema}.pool_move (tenant, at, id) WHERE deleted IS NULL;
CREATE INDEX pool_move_updated ON {schema}.pool_move (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX pool_move_owner ON {schema}.pool_move (tenant, owner_id);

CREATE TABLE {schema}.pool_seat (
	tenant text COLLATE "C" NOT NULL,
	pool_id uuid NOT NULL,
	member_id uuid NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (tenant, pool_id, member_id),
	FOREIGN KEY (tenant, pool_id) REFERENCES {schema}.pool (tenant, id)
);

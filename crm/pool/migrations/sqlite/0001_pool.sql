CREATE TABLE crm_pool (
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
	object TEXT NOT NULL,
	"where" TEXT,
	team_ids TEXT,
	member_ids TEXT,
	show TEXT,
	mask TEXT,
	max_held INTEGER NOT NULL,
	counted TEXT,
	max_per_day INTEGER NOT NULL,
	ban_days INTEGER NOT NULL,
	recycle_days INTEGER NOT NULL,
	followed_up TEXT,
	warn_days INTEGER NOT NULL,
	protected TEXT,
	recycle_from INTEGER,
	off INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_pool_name ON crm_pool (tenant, name) WHERE deleted IS NULL;
CREATE INDEX crm_pool_updated ON crm_pool (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_pool_owner ON crm_pool (tenant, owner_id);

CREATE TABLE crm_pool_reason (
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
	off INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_pool_reason_name ON crm_pool_reason (tenant, name) WHERE deleted IS NULL;
CREATE INDEX crm_pool_reason_updated ON crm_pool_reason (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_pool_reason_owner ON crm_pool_reason (tenant, owner_id);

CREATE TABLE crm_pool_move (
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
	pool_id BLOB NOT NULL,
	kind TEXT NOT NULL,
	at INTEGER NOT NULL,
	member_id BLOB,
	reason_id BLOB,
	note TEXT,
	until INTEGER,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, pool_id) REFERENCES crm_pool (tenant, id),
	FOREIGN KEY (tenant, reason_id) REFERENCES crm_pool_reason (tenant, id)
);
CREATE INDEX crm_pool_move_record ON crm_pool_move (tenant, record_id, at, id);
CREATE INDEX crm_pool_move_claimed ON crm_pool_move (tenant, pool_id, member_id, at);
CREATE INDEX crm_pool_move_reason ON crm_pool_move (tenant, reason_id);
CREATE INDEX crm_pool_move_at ON crm_pool_move (tenant, at, id) WHERE deleted IS NULL;
CREATE INDEX crm_pool_move_updated ON crm_pool_move (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_pool_move_owner ON crm_pool_move (tenant, owner_id);

CREATE TABLE crm_pool_seat (
	tenant TEXT NOT NULL,
	pool_id BLOB NOT NULL,
	member_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (tenant, pool_id, member_id),
	FOREIGN KEY (tenant, pool_id) REFERENCES crm_pool (tenant, id)
) WITHOUT ROWID;

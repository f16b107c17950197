CREATE TABLE crm_scorecard (
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
	whom TEXT,
	measures TEXT,
	bands TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_scorecard_key ON crm_scorecard (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_scorecard_updated ON crm_scorecard (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_scorecard_owner ON crm_scorecard (tenant, owner_id);

CREATE TABLE crm_health_score (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	customer_id BLOB NOT NULL,
	scorecard_id BLOB NOT NULL,
	score INTEGER NOT NULL,
	band TEXT NOT NULL,
	since INTEGER NOT NULL,
	delta30 INTEGER NOT NULL,
	delta90 INTEGER NOT NULL,
	key TEXT NOT NULL,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, customer_id) REFERENCES crm_customer (tenant, id),
	FOREIGN KEY (tenant, scorecard_id) REFERENCES crm_scorecard (tenant, id)
);
CREATE INDEX crm_health_score_customer ON crm_health_score (tenant, customer_id, updated, id);
CREATE INDEX crm_health_score_scorecard ON crm_health_score (tenant, scorecard_id);
CREATE INDEX crm_health_score_score ON crm_health_score (tenant, score, id) WHERE deleted IS NULL;
CREATE UNIQUE INDEX crm_health_score_key ON crm_health_score (tenant, key) WHERE deleted IS NULL;
CREATE INDEX crm_health_score_updated ON crm_health_score (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_health_score_owner ON crm_health_score (tenant, owner_id);

CREATE TABLE crm_health_point (
	tenant TEXT NOT NULL,
	score_id BLOB NOT NULL,
	at INTEGER NOT NULL,
	id BLOB NOT NULL,
	score INTEGER NOT NULL,
	change INTEGER NOT NULL,
	band TEXT NOT NULL,
	PRIMARY KEY (tenant, score_id, at, id),
	FOREIGN KEY (tenant, score_id) REFERENCES crm_health_score (tenant, id)
) WITHOUT ROWID;

CREATE TABLE crm_health_pass (
	tenant TEXT NOT NULL,
	scorecard_id BLOB NOT NULL,
	recent INTEGER NOT NULL,
	whole INTEGER NOT NULL,
	PRIMARY KEY (tenant, scorecard_id),
	FOREIGN KEY (tenant, scorecard_id) REFERENCES crm_scorecard (tenant, id)
) WITHOUT ROWID;

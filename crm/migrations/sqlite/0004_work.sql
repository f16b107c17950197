CREATE TABLE crm_event_log (
	tenant TEXT NOT NULL,
	position INTEGER NOT NULL,
	event_id BLOB NOT NULL,
	PRIMARY KEY (tenant, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX crm_event_log_event ON crm_event_log (tenant, event_id);

CREATE TABLE crm_log_head (
	tenant TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	position INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE crm_subscription (
	tenant TEXT NOT NULL,
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	bucket INTEGER NOT NULL,
	due INTEGER,
	position INTEGER NOT NULL,
	PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE INDEX crm_subscription_due ON crm_subscription (bucket, tenant, due, name) WHERE due IS NOT NULL;

CREATE TABLE crm_held_event (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	bucket INTEGER NOT NULL,
	due INTEGER,
	parked INTEGER,
	subscription TEXT NOT NULL,
	event_id BLOB NOT NULL,
	record_id BLOB NOT NULL,
	record_version INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	error TEXT,
	since INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_held_event_due ON crm_held_event (bucket, tenant, due, id) WHERE due IS NOT NULL;
CREATE INDEX crm_held_event_parked ON crm_held_event (bucket, tenant, parked, id) WHERE parked IS NOT NULL;
CREATE UNIQUE INDEX crm_held_event_event ON crm_held_event (tenant, subscription, event_id);
CREATE INDEX crm_held_event_record ON crm_held_event (tenant, subscription, record_id, record_version);

CREATE TABLE crm_job (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	bucket INTEGER NOT NULL,
	due INTEGER,
	stopped INTEGER,
	state TEXT NOT NULL,
	kind TEXT NOT NULL,
	"key" TEXT,
	payload TEXT,
	attempts INTEGER NOT NULL,
	max_attempts INTEGER NOT NULL,
	error TEXT,
	created INTEGER NOT NULL,
	started INTEGER,
	done INTEGER NOT NULL,
	total INTEGER NOT NULL,
	cause TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_job_due ON crm_job (bucket, tenant, due, id) WHERE due IS NOT NULL;
CREATE INDEX crm_job_stopped ON crm_job (bucket, tenant, stopped, id) WHERE stopped IS NOT NULL;
CREATE UNIQUE INDEX crm_job_key ON crm_job (tenant, kind, "key") WHERE "key" IS NOT NULL AND state <> 'failed';

CREATE TABLE crm_schedule (
	tenant TEXT NOT NULL,
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	bucket INTEGER NOT NULL,
	due INTEGER,
	kind TEXT NOT NULL,
	cron TEXT NOT NULL,
	zone TEXT NOT NULL,
	payload TEXT,
	priority INTEGER NOT NULL,
	max_attempts INTEGER NOT NULL,
	PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE INDEX crm_schedule_due ON crm_schedule (bucket, tenant, due, name) WHERE due IS NOT NULL;

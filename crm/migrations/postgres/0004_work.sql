CREATE TABLE {schema}.event_log (
	tenant text COLLATE "C" NOT NULL,
	position bigint NOT NULL,
	event_id uuid NOT NULL,
	PRIMARY KEY (tenant, position)
);
CREATE UNIQUE INDEX event_log_event ON {schema}.event_log (tenant, event_id);

CREATE TABLE {schema}.log_head (
	tenant text COLLATE "C" NOT NULL PRIMARY KEY,
	version bigint NOT NULL,
	position bigint NOT NULL
);

CREATE TABLE {schema}.subscription (
	tenant text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	bucket bigint NOT NULL,
	due timestamptz,
	position bigint NOT NULL,
	PRIMARY KEY (tenant, name)
);
CREATE INDEX subscription_due ON {schema}.subscription (bucket, tenant, due, name) WHERE due IS NOT NULL;

CREATE TABLE {schema}.held_event (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	bucket bigint NOT NULL,
	due timestamptz,
	parked timestamptz,
	subscription text COLLATE "C" NOT NULL,
	event_id uuid NOT NULL,
	record_id uuid NOT NULL,
	record_version bigint NOT NULL,
	attempts bigint NOT NULL,
	error text COLLATE "C",
	since timestamptz NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX held_event_due ON {schema}.held_event (bucket, tenant, due, id) WHERE due IS NOT NULL;
CREATE INDEX held_event_parked ON {schema}.held_event (bucket, tenant, parked, id) WHERE parked IS NOT NULL;
CREATE UNIQUE INDEX held_event_event ON {schema}.held_event (tenant, subscription, event_id);
CREATE INDEX held_event_record ON {schema}.held_event (tenant, subscription, record_id, record_version);

CREATE TABLE {schema}.job (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	bucket bigint NOT NULL,
	due timestamptz,
	stopped timestamptz,
	state text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL,
	"key" text COLLATE "C",
	payload jsonb,
	attempts bigint NOT NULL,
	max_attempts bigint NOT NULL,
	error text COLLATE "C",
	created timestamptz NOT NULL,
	started timestamptz,
	done bigint NOT NULL,
	total bigint NOT NULL,
	cause text COLLATE "C",
	PRIMARY KEY (tenant, id)
);
CREATE INDEX job_due ON {schema}.job (bucket, tenant, due, id) WHERE due IS NOT NULL;
CREATE INDEX job_stopped ON {schema}.job (bucket, tenant, stopped, id) WHERE stopped IS NOT NULL;
CREATE UNIQUE INDEX job_key ON {schema}.job (tenant, kind, "key") WHERE "key" IS NOT NULL AND state <> 'failed';

CREATE TABLE {schema}.schedule (
	tenant text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	bucket bigint NOT NULL,
	due timestamptz,
	kind text COLLATE "C" NOT NULL,
	cron text COLLATE "C" NOT NULL,
	zone text COLLATE "C" NOT NULL,
	payload jsonb,
	priority bigint NOT NULL,
	max_attempts bigint NOT NULL,
	PRIMARY KEY (tenant, name)
);
CREATE INDEX schedule_due ON {schema}.schedule (bucket, tenant, due, name) WHERE due IS NOT NULL;

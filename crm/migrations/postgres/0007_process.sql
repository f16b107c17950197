CREATE TABLE {schema}.process (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	owner_id uuid,
	created timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	"key" text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	single boolean NOT NULL,
	steps jsonb,
	state text COLLATE "C" NOT NULL,
	number bigint NOT NULL,
	language bigint NOT NULL,
	uses jsonb,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX process_published ON {schema}.process (tenant, "key") WHERE state = 'published' AND deleted IS NULL;
CREATE INDEX process_key ON {schema}.process (tenant, "key", number);

CREATE TABLE {schema}.process_instance (
	tenant text COLLATE "C" NOT NULL,
	id uuid NOT NULL,
	version bigint NOT NULL,
	bucket bigint NOT NULL,
	due timestamptz,
	process_id uuid NOT NULL,
	process text COLLATE "C" NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	single boolean NOT NULL,
	state text COLLATE "C" NOT NULL,
	result text COLLATE "C",
	starter text COLLATE "C" NOT NULL,
	started timestamptz NOT NULL,
	updated timestamptz NOT NULL,
	ended timestamptz,
	body jsonb NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX process_instance_due ON {schema}.process_instance (bucket, tenant, due, id) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX process_instance_single ON {schema}.process_instance (tenant, process, record_id) WHERE single AND ended IS NULL;
CREATE INDEX process_instance_record ON {schema}.process_instance (tenant, object, record_id, id);
CREATE INDEX process_instance_object ON {schema}.process_instance (tenant, object, id);
CREATE INDEX process_instance_process ON {schema}.process_instance (tenant, process, id);
CREATE INDEX process_instance_state ON {schema}.process_instance (tenant, state, id);
CREATE INDEX process_instance_version ON {schema}.process_instance (tenant, process, process_id, id) WHERE ended IS NULL;

CREATE TABLE {schema}.process_wait (
	tenant text COLLATE "C" NOT NULL,
	instance_id uuid NOT NULL,
	visit bigint NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id uuid NOT NULL,
	event text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, instance_id, visit)
);
CREATE INDEX process_wait_record ON {schema}.process_wait (tenant, object, record_id, event);

CREATE TABLE {schema}.process_visit (
	tenant text COLLATE "C" NOT NULL,
	instance_id uuid NOT NULL,
	visit bigint NOT NULL,
	process_id uuid NOT NULL,
	step text COLLATE "C" NOT NULL,
	entered timestamptz NOT NULL,
	finished timestamptz NOT NULL,
	took bigint NOT NULL,
	outcome text COLLATE "C",
	actor text COLLATE "C" NOT NULL,
	reason text COLLATE "C",
	PRIMARY KEY (tenant, instance_id, visit)
);
CREATE INDEX process_visit_step ON {schema}.process_visit (tenant, process_id, step, took);

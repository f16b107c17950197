CREATE TABLE crm_process (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	owner_id BLOB,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	deleted INTEGER,
	refs TEXT,
	custom TEXT,
	"key" TEXT NOT NULL,
	name TEXT NOT NULL,
	object TEXT NOT NULL,
	single INTEGER NOT NULL,
	steps TEXT,
	state TEXT NOT NULL,
	number INTEGER NOT NULL,
	language INTEGER NOT NULL,
	uses TEXT,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX crm_process_published ON crm_process (tenant, "key") WHERE state = 'published' AND deleted IS NULL;
CREATE INDEX crm_process_key ON crm_process (tenant, "key", number);

CREATE TABLE crm_process_instance (
	tenant TEXT NOT NULL,
	id BLOB NOT NULL,
	version INTEGER NOT NULL,
	bucket INTEGER NOT NULL,
	due INTEGER,
	process_id BLOB NOT NULL,
	process TEXT NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	single INTEGER NOT NULL,
	state TEXT NOT NULL,
	result TEXT,
	starter TEXT NOT NULL,
	started INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	ended INTEGER,
	body TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_process_instance_due ON crm_process_instance (bucket, tenant, due, id) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX crm_process_instance_single ON crm_process_instance (tenant, process, record_id) WHERE single = 1 AND ended IS NULL;
CREATE INDEX crm_process_instance_record ON crm_process_instance (tenant, object, record_id, id);
CREATE INDEX crm_process_instance_object ON crm_process_instance (tenant, object, id);
CREATE INDEX crm_process_instance_process ON crm_process_instance (tenant, process, id);
CREATE INDEX crm_process_instance_state ON crm_process_instance (tenant, state, id);
CREATE INDEX crm_process_instance_version ON crm_process_instance (tenant, process, process_id, id) WHERE ended IS NULL;

CREATE TABLE crm_process_wait (
	tenant TEXT NOT NULL,
	instance_id BLOB NOT NULL,
	visit INTEGER NOT NULL,
	object TEXT NOT NULL,
	record_id BLOB NOT NULL,
	event TEXT NOT NULL,
	PRIMARY KEY (tenant, instance_id, visit)
) WITHOUT ROWID;
CREATE INDEX crm_process_wait_record ON crm_process_wait (tenant, object, record_id, event);

CREATE TABLE crm_process_visit (
	tenant TEXT NOT NULL,
	instance_id BLOB NOT NULL,
	visit INTEGER NOT NULL,
	process_id BLOB NOT NULL,
	step TEXT NOT NULL,
	entered INTEGER NOT NULL,
	finished INTEGER NOT NULL,
	took INTEGER NOT NULL,
	outcome TEXT,
	actor TEXT NOT NULL,
	reason TEXT,
	PRIMARY KEY (tenant, instance_id, visit)
) WITHOUT ROWID;
CREATE INDEX crm_process_visit_step ON crm_process_visit (tenant, process_id, step, took);

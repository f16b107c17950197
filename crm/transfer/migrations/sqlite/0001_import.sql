CREATE TABLE crm_import (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	object TEXT NOT NULL, state TEXT NOT NULL, plan TEXT, digest TEXT NOT NULL, position INTEGER NOT NULL, row_count INTEGER NOT NULL,
	created_count INTEGER NOT NULL, updated_count INTEGER NOT NULL, skipped_count INTEGER NOT NULL, failed_count INTEGER NOT NULL,
	flagged_count INTEGER NOT NULL, related_count INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX crm_import_updated ON crm_import (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_import_owner ON crm_import (tenant, owner_id);

CREATE TABLE crm_import_part (
	tenant TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, owner_id BLOB,
	created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER, refs TEXT, custom TEXT,
	import_id BLOB NOT NULL, number INTEGER NOT NULL, outcome TEXT,
	PRIMARY KEY (tenant, id),
	FOREIGN KEY (tenant, import_id) REFERENCES crm_import (tenant, id)
);
CREATE INDEX crm_import_part_updated ON crm_import_part (tenant, updated, id) WHERE deleted IS NULL;
CREATE INDEX crm_import_part_owner ON crm_import_part (tenant, owner_id);
CREATE INDEX crm_import_part_import ON crm_import_part (tenant, import_id);
CREATE INDEX crm_import_part_number ON crm_import_part (tenant, number, id) WHERE deleted IS NULL;

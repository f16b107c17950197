-- What waits in a pool, the latest changed first, however many customers have an owner.
CREATE INDEX crm_customer_unowned ON crm_customer (tenant, updated, id) WHERE deleted IS NULL AND owner_id IS NULL;

-- Customers are found by their names, whatever their case, by the rows of an import that
-- name them.
CREATE INDEX crm_customer_name_fold ON crm_customer (tenant, name_fold, id) WHERE deleted IS NULL;

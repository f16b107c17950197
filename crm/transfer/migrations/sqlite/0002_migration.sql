ALTER TABLE crm_import ADD COLUMN migration TEXT;

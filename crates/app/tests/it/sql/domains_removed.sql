DELETE FROM app_domains;

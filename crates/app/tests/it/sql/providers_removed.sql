DELETE FROM app_providers;

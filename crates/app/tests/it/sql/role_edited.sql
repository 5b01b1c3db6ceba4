UPDATE team_role SET acts = 'see_requests,see_audit,manage_apps,manage_test_credentials,revoke_live_credentials';

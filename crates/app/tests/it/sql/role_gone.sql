DELETE FROM team_role;

UPDATE team_role SET acts = 'king';

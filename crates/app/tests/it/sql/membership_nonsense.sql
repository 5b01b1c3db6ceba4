UPDATE membership SET role = 'king';

UPDATE app_domains SET origins = 'https://evil.test';

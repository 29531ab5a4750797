from tests import testing


def test_only_makes_what_is_named(tmp_path):
  done = testing.run_runner('reproduce', '--source=published',
                            '--only=table7,figure8', f'--workdir={tmp_path}')
  assert done.returncode == 0, done.stderr
  assert sorted(p.name for p in tmp_path.rglob('*.*')) == [
      'figure8.csv', 'figure8.pdf', 'figure8.png', 'figure8_spearman.csv',
      'table7.csv', 'table7.md']

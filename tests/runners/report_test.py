from tests import testing
from vtab_h2t import files


def test_a_page_of_the_committed_rows(tmp_path):
  out = tmp_path / 'deep' / 'page.html'
  done = testing.run_runner('report', '--workdir=results/embedded',
                            f'--out={out}')
  assert done.returncode == 0, done.stderr
  assert f'report: {out}' in done.stdout
  assert 'Head2Toe against Linear' in out.read_text()
  again = tmp_path / 'again.html'
  testing.run_runner('report', '--workdir=results/embedded', f'--out={again}')
  assert files.sha256_file(again) == files.sha256_file(out)


def test_a_folder_without_rows_is_one_line(tmp_path):
  done = testing.run_runner('report', f'--workdir={tmp_path}')
  assert done.returncode == 1
  assert f'error: {tmp_path} has no rows' in done.stderr


def test_the_papers_page_needs_no_rows(tmp_path):
  done = testing.run_runner('report', '--source=published',
                            f'--out={tmp_path}/paper.html')
  assert done.returncode == 0, done.stderr
  assert 'as published' in (tmp_path / 'paper.html').read_text()

from PIL import Image

from tests import testing


def test_a_folder_that_is_no_model_is_one_line(tmp_path):
  Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
  done = testing.run_runner(
    'predict', f'--model={tmp_path}', f'--images={tmp_path}'
  )
  assert done.returncode == 1
  assert done.stderr.splitlines()[-1] == (
    f'error: {tmp_path} is no adapted model: it has no model.json'
  )

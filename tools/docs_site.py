"""What mkdocs has to know of this repository; a hook that `mkdocs.yml` names.

The site has the repository's own folders, so that a link which works on GitHub
works there too. What the site does not hold is dealt with here: a folder stands
for its README, a module for its place in the API reference, and the notebook is
a page.
"""

import json
import pathlib
import posixpath
import re
from typing import Any, TYPE_CHECKING

import vtab_h2t

if TYPE_CHECKING:
  from mkdocs.config.defaults import MkDocsConfig
  from mkdocs.structure.files import Files
  from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What the site holds, besides docs/.
_PATTERNS = (
  '*.md',
  'LICENSE',
  'benchmarks/*.md',
  'benchmarks/*.png',
  'results/**/*.html',
  'results/**/*.md',
  'results/**/*.png',
)
# What `[text](path#anchor)` is made of; addresses of other hosts have a colon.
_LINK = re.compile(r'\[([^\[\]]*)\]\(([^()\s#:]+)(#[^()\s]*)?\)')
_FENCE = re.compile(r'(^ *```.*?^ *```$)', re.DOTALL | re.MULTILINE)
_IDENTIFIER = re.compile(r'^::: (vtab_h2t[\w.]*)$', re.MULTILINE)


def paths(root: pathlib.Path = ROOT) -> list[str]:
  """What the site holds of a repository, as paths relative to its root."""
  found = {p for pattern in _PATTERNS for p in root.glob(pattern)}
  found |= {p for p in (root / 'docs').rglob('*') if p.name[0] != '.'}
  return sorted(p.relative_to(root).as_posix() for p in found if p.is_file())


def modules(root: pathlib.Path = ROOT) -> dict[str, str]:
  """Where the API reference describes what a module has.

  Returns:
    The module's path to the page and the anchor of the first of its names.
  """
  found: dict[str, str] = {}
  for page in sorted((root / 'docs' / 'reference').glob('*.md')):
    for name in _IDENTIFIER.findall(page.read_text('utf-8')):
      module, _ = vtab_h2t._API.get(name.removeprefix('vtab_h2t.'), ('', ''))
      parts = [*name.split('.')[:1], module] if module else [name]
      path = '/'.join('.'.join(parts).split('.'))
      while path and not (root / f'{path}.py').is_file():
        path = path.rpartition('/')[0]
      where = page.relative_to(root).as_posix()
      found.setdefault(f'{path}.py', f'{where}#{name}')
  return found


def relinked(
  markdown: str,
  page: str,
  held: set[str],
  described: dict[str, str],
  root: pathlib.Path = ROOT,
) -> str:
  """A page whose links lead to what the site holds.

  Args:
    markdown: the page.
    page: its path.
    held: paths of what the site holds.
    described: of `modules`.
    root: of the repository.

  Returns:
    The page; a link to what is in the repository only has become code, and one
    to what is nowhere is left, for mkdocs to complain of.
  """
  folder = posixpath.dirname(page)

  def link(found: re.Match[str]) -> str:
    text, path, anchor = found.groups(default='')
    target = posixpath.normpath(posixpath.join(folder, path))
    if target in held:
      return found.group()
    for other in (f'{target}/README.md', described.get(target)):
      if other and other.partition('#')[0] in held:
        return f'[{text}]({posixpath.relpath(other, folder)}{anchor})'
    if target.endswith('.ipynb') and (root / target).is_file():
      return f'[{text}]({path.removesuffix(".ipynb")}.md{anchor})'
    if (root / target).exists():
      return text if '`' in text else f'`{text}`'
    return found.group()

  parts = _FENCE.split(markdown)
  parts[::2] = [_LINK.sub(link, part) for part in parts[::2]]
  return ''.join(parts)


def notebook_page(notebook: dict[str, Any]) -> str:
  """A notebook as Markdown: its texts, its code, and what that gave."""
  return '\n\n'.join(
    part for cell in notebook['cells'] for part in _parts(cell)
  )


def _parts(cell: dict[str, Any]) -> list[str]:
  source = ''.join(cell['source'])
  if cell['cell_type'] == 'markdown':
    return [source]
  found = [f'```python\n{source}\n```']
  for output in cell['outputs']:
    data = output.get('data', {})
    if 'image/png' in data:
      alternative = ''.join(data.get('text/plain', ''))
      png = ''.join(data['image/png']).replace('\n', '')
      found.append(f'![{alternative}](data:image/png;base64,{png})')
    else:
      text = ''.join(output.get('text', data.get('text/plain', '')))
      found.append(f'```text\n{text.rstrip()}\n```')
  return found


def on_files(files: 'Files', config: 'MkDocsConfig') -> 'Files':
  """Has the site mirror the repository; mkdocs offers what docs/ has."""
  from mkdocs.structure import files as files_lib

  # What the theme and plugins bring along, as they have it.
  kept = [f for f in files if f.src_dir != config.docs_dir]
  for path in paths():
    if path.endswith('.ipynb'):
      text = notebook_page(json.loads((ROOT / path).read_text('utf-8')))
      name = f'{path.removesuffix(".ipynb")}.md'
      kept.append(files_lib.File.generated(config, name, content=text))
    else:
      kept.append(
        files_lib.File(
          path, str(ROOT), config.site_dir, config.use_directory_urls
        )
      )
  return files_lib.Files(kept)


def on_page_markdown(
  markdown: str, page: 'Page', config: 'MkDocsConfig', files: 'Files'
) -> str:
  """Mends links, and keeps tables of single runs out of the search."""
  del config
  path = page.file.src_uri
  if path.startswith('results/') and pathlib.Path(path).stem not in (
    'README',
    'report',
  ):
    page.meta['search'] = {'exclude': True}
  return relinked(markdown, path, set(files.src_uris), modules())

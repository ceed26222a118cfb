/**
 * What each shell is given. The words come from the program itself, which is asked with `--complete`: a line for each, with
 * its help behind a tab, or ":files".
 */
export const scripts = {
  bash: `# wochit-relay in bash: source <(wochit-relay completion bash)
_wochit_relay() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ":files" ]; then
      compopt -o default 2>/dev/null
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]}" --complete "\${COMP_WORDS[@]:1:COMP_CWORD}" </dev/null 2>/dev/null)
}
complete -F _wochit_relay wochit-relay
`,
  zsh: `#compdef wochit-relay
# wochit-relay in zsh: source <(wochit-relay completion zsh), or this as _wochit-relay in a folder of $fpath
_wochit_relay() {
  local -a found
  local line
  for line in "\${(@f)$("\${words[1]}" --complete "\${(@)words[2,CURRENT]}" </dev/null 2>/dev/null)}"; do
    if [[ $line == ":files" ]]; then
      _files
      return
    fi
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe wochit-relay found
}
if [[ $funcstack[1] == _wochit-relay ]]; then
  _wochit_relay
else
  compdef _wochit_relay wochit-relay
fi
`,
  fish: `# wochit-relay in fish: wochit-relay completion fish > ~/.config/fish/completions/wochit-relay.fish
function __wochit_relay_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($before[1] --complete $before[2..-1] "$current" </dev/null 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path "$current"
    else
        printf '%s\\n' $found
    end
end
complete -c wochit-relay -k -f -a '(__wochit_relay_complete)'
`,
};

export type Shell = keyof typeof scripts;
export const SHELLS = Object.keys(scripts) as Shell[];

//! `protoc -o FILE -I FOLDER… PROTO…`: writes the descriptors of these files and of all that they import.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut out, mut folders, mut files) = (None, Vec::new(), Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-o" => out = words.next(),
            "-I" => folders.extend(words.next()),
            flag if flag.starts_with('-') => {}
            _ => files.push(word),
        }
    }
    let mut compiler = protox::Compiler::new(folders)?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(files)?;
    let out = out.ok_or("-o is missing")?;
    Ok(std::fs::write(out, compiler.encode_file_descriptor_set())?)
}
